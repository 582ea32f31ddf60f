-- The tables that examples/run.sh loads, column by column as in the files of examples/data.
CREATE TABLE quakes (
    id text PRIMARY KEY,
    time timestamptz NOT NULL,
    magnitude numeric(4, 2),
    mag_type text,
    place text,
    longitude float8,
    latitude float8,
    depth_km float8,
    felt int,
    tsunami int,
    significance int
);
CREATE TABLE weather (
    day date PRIMARY KEY,
    precipitation float8,
    temp_max float8,
    temp_min float8,
    wind float8,
    weather text
);
