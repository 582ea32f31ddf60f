-- What `tdb demo` tells and runs. A line with "--#" begins a part, comments are what it says, and "--@"
-- tells what is special about the next statement: pictures (of its first column), first or second
-- (the session it runs in), fails (it must). All of it is ordinary SQL otherwise.

--# A file, queried where it lies
-- No import, no schema: columns and types are found in the file. CSV, NDJSON, Parquet and Arrow work
-- alike, compressed or not, one file or many ('logs/*.csv').
FROM 'examples/data/airports.csv' SELECT state, count(*) AS airports GROUP BY ALL ORDER BY 2 DESC LIMIT 5;

--# Analytics in SQL
-- 200,000 flights in a table: PostgreSQL's SQL on columns.
SELECT floor(departure)::int AS hour, count(*) AS flights, round(avg(delay), 1) AS minutes_late,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY delay) AS one_in_ten_over,
       count(*) FILTER (WHERE delay > 60) AS over_an_hour
FROM flights WHERE departure >= 6 GROUP BY hour ORDER BY hour LIMIT 6;
-- Windows, grouping sets and all that, too: how far do the latest flights of each band of distance go?
SELECT band, delay, distance, rank
FROM (SELECT distance / 1000 * 1000 AS band, delay, distance,
             rank() OVER (PARTITION BY distance / 1000 ORDER BY delay DESC) AS rank FROM flights) ranked
WHERE rank <= 2 ORDER BY band, rank;

--# Documents
-- 36,273 films, each a JSON document. Paths reach into them; frequent paths are kept as columns.
SELECT film->>'title' AS title, film->'year' AS year, film->'people'->>'lead' AS lead
FROM films WHERE film @? '$.people.cast[*] ? (@ == "Buster Keaton")' ORDER BY year DESC LIMIT 4;
-- Arrays inside of documents unfold into rows: who made the most westerns?
SELECT name, count(*) AS films, min((film->>'year')::int) AS first, max((film->>'year')::int) AS last
FROM films, jsonb_array_elements_text(film->'people'->'cast') AS name
WHERE film->'genres' ? 'Western' GROUP BY name ORDER BY films DESC LIMIT 4;

--# Time
-- Earthquakes of a week in buckets of twelve hours.
SELECT time_bucket('12 hours', time) AS since, count(*) AS quakes, max(magnitude) AS strongest,
       repeat('█', (count(*) / 6)::int) AS chart
FROM quakes WHERE time < '2018-02-04' GROUP BY since ORDER BY since;

--# Places
-- The nearest airport of the strongest earthquakes in reach of one: a subquery that looks at its row.
SELECT q.magnitude, q.place, a.iata, a.city, round(a.km) AS km
FROM quakes q, LATERAL (
    SELECT iata, city, 12742 * asin(sqrt(sind((latitude - q.latitude) / 2) ^ 2 + cosd(q.latitude) *
               cosd(latitude) * sind((longitude - q.longitude) / 2) ^ 2)) AS km
    FROM airports ORDER BY km LIMIT 1) a
WHERE q.magnitude >= 4 AND a.km < 400 ORDER BY q.magnitude DESC, km LIMIT 4;

--# Nearest neighbours
-- 10,000 handwritten digits, each a vector(784). The first was asked for, the others look most like it.
--@ pictures
SELECT image, CASE WHEN id = 126 THEN 'asked for: ' ELSE 'a ' END || label AS caption
FROM digits ORDER BY image <-> (SELECT image FROM digits WHERE id = 126), id LIMIT 5;

--# All of it in one statement
-- Somebody wrote a year: four pictures. Their neighbours vote what they mean, and the documents answer.
--@ pictures
SELECT image, '' AS caption FROM digits WHERE id IN (105, 111, 118, 124) ORDER BY id;
WITH written (place, id) AS (VALUES (1, 105), (2, 111), (3, 118), (4, 124)),
read AS (
    SELECT place, (SELECT mode() WITHIN GROUP (ORDER BY label)
                   FROM (SELECT label FROM digits n WHERE n.id <> w.id
                         ORDER BY n.image <-> d.image LIMIT 5) nearest) AS label
    FROM written w JOIN digits d USING (id)),
asked AS (SELECT string_agg(label::text, '' ORDER BY place)::int AS year FROM read)
SELECT year, film->>'title' AS title, film->'people'->>'lead' AS lead
FROM films, asked WHERE film->'year' = to_jsonb(year) AND film->'genres' ? 'Horror' ORDER BY title;

--# Transactions
-- Two sessions want the last seats. The first one reads...
--@ first
CREATE TABLE IF NOT EXISTS seats (flight text PRIMARY KEY, free int CHECK (free >= 0));
--@ first
INSERT INTO seats VALUES ('SEA-SFO', 10) ON CONFLICT (flight) DO UPDATE SET free = 10;
--@ first
BEGIN ISOLATION LEVEL REPEATABLE READ;
--@ first
SELECT free FROM seats;
-- ... the second one takes seven, and commits at once.
--@ second
UPDATE seats SET free = free - 7 RETURNING free;
-- The first session still sees its snapshot; but to change the row would lose what the second did.
--@ first
SELECT free FROM seats;
--@ first fails
UPDATE seats SET free = free - 4;
--@ first
ROLLBACK;
--@ first
SELECT free FROM seats;
-- Documents, tables and vectors change together or not at all:
BEGIN;
DELETE FROM films WHERE film->'genres' ? 'Western';
DELETE FROM flights WHERE delay > 0;
DELETE FROM digits WHERE label <> 8;
SELECT (SELECT count(*) FROM films) AS films, (SELECT count(*) FROM flights) AS flights,
       (SELECT count(*) FROM digits) AS digits;
ROLLBACK;
SELECT (SELECT count(*) FROM films) AS films, (SELECT count(*) FROM flights) AS flights,
       (SELECT count(*) FROM digits) AS digits;

--# How a statement is run
-- EXPLAIN ANALYZE tells the plan, and what each of its steps took.
EXPLAIN ANALYZE
SELECT a.state, count(*) AS quakes, max(q.magnitude) AS strongest
FROM quakes q JOIN airports a ON floor(a.latitude) = floor(q.latitude) AND floor(a.longitude) = floor(q.longitude)
WHERE q.magnitude > 2 GROUP BY a.state ORDER BY quakes DESC LIMIT 5;
