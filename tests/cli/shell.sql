-- What the shell prints: shell.out is its answer, errors included.
CREATE TABLE quakes (id text PRIMARY KEY, magnitude float8, place text, n numeric(10,2), d date);
INSERT INTO quakes VALUES ('a', 5.5, 'here; "there"', 1.50, '2020-02-29'), ('b', NULL, 'ä,ö|
x', 2, NULL);
SELECT * FROM quakes ORDER BY id;
SELECT count(*), avg(magnitude), 'it''s; ok' AS t FROM quakes
WHERE id >= 'a'; SELECT 1; /* in ; comment */ SELECT $$a;b$$ AS x;
.mode csv
SELECT * FROM quakes ORDER BY id;
.mode json
SELECT * FROM quakes ORDER BY id;
SELECT * FROM quakes WHERE false;
.mode markdown
SELECT * FROM quakes ORDER BY id;
.mode line
SELECT * FROM quakes ORDER BY id;
.mode box
\d
\d quakes
BEGIN;
DELETE FROM quakes;
ROLLBACK;
SELECT count(*)
  FROM quakes
 WHERE nonsense = 3;
SELECT 2
