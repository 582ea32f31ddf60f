-- The tables of the tour, from the files in examples/data. ./dev run and `tdb demo` load them; by hand, in
-- the folder of the repository:  tdb my.tdb -f examples/load.sql

-- 36,273 films, each a document: title, year, genres, and people inside of it.
CREATE TABLE films AS
SELECT row_number() OVER (ORDER BY year, title)::int AS id,
       jsonb_build_object('title', title, 'year', year, 'genres', genres,
                          'people', jsonb_build_object('lead', "cast"->0, 'cast', "cast")) AS film
FROM 'examples/data/movies-all.ndjson.zst';
ALTER TABLE films ADD PRIMARY KEY (id);

-- 200,000 flights inside the United States, from an Arrow file: minutes late, miles, hour of the day.
CREATE TABLE flights AS
SELECT delay, distance, time AS departure FROM 'examples/data/flights-200k.arrow';

-- 1,707 earthquakes of one week and 3,376 airports, with coordinates.
CREATE TABLE quakes AS FROM 'examples/data/earthquakes.csv';
CREATE TABLE airports AS FROM 'examples/data/airports.csv';

-- 10,000 handwritten digits: 28 x 28 points of grey, as a vector.
CREATE TABLE digits (id int PRIMARY KEY, label int2 NOT NULL, image vector(784) NOT NULL);
INSERT INTO digits SELECT id, label, image::vector(784) FROM 'examples/data/digits-10k.parquet';
