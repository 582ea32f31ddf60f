-- \d and its family; describe.out was compared with what psql says of the same in PostgreSQL 15 (which shows
-- a view's definition with \d+ only, and casts in what it prints of expressions).
CREATE SCHEMA shop;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE DOMAIN price AS numeric(8,2) DEFAULT 0 CHECK (VALUE >= 0);
CREATE TABLE products (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    cost price NOT NULL,
    paint colour,
    made timestamptz DEFAULT now(),
    CONSTRAINT named CHECK (length(name) > 0)
);
CREATE INDEX products_cheap ON products (cost DESC, lower(name));
CREATE TABLE shop.orders (
    id bigserial PRIMARY KEY,
    product int REFERENCES products ON DELETE CASCADE,
    "Count" int DEFAULT 1
);
CREATE VIEW cheap AS SELECT id, name FROM products WHERE cost < 10;
COMMENT ON VIEW cheap IS 'What costs little';
\d
\d products
\d shop.orders
\d+ cheap
\d products_cheap
\d shop.*_seq
\dt *.ord*
\dt "Ord*"
\di
\di products_c*
\dv
\dn
\dT col*
\dD
\d nothing
\d "Products"
.mode csv
\dt
.mode ndjson
\d cheap
