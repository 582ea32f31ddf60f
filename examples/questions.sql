-- Questions to the tables that examples/run.sh loads.
.timer on
SELECT count(*) AS quakes, min(magnitude), max(magnitude), round(avg(magnitude), 2) AS mean
FROM quakes;

SELECT date_trunc('day', time)::date AS day, count(*) AS quakes, max(magnitude) AS strongest
FROM quakes GROUP BY 1 ORDER BY 1;

SELECT magnitude, depth_km, place FROM quakes
WHERE magnitude >= 6 ORDER BY magnitude DESC, time LIMIT 5;

-- Kinds of weather in Seattle that lasted more than 30 days of a year.
SELECT extract(year FROM day) AS year, weather, count(*) AS days, max(temp_max) AS warmest
FROM weather GROUP BY year, weather HAVING count(*) > 30 ORDER BY year, days DESC;

-- What the weather was in Seattle when many earthquakes happened, three years earlier.
SELECT weather.day, weather.weather, count(*) AS quakes
FROM quakes JOIN weather ON weather.day = (quakes.time - interval '3 years')::date
GROUP BY weather.day, weather.weather ORDER BY quakes DESC LIMIT 3;

BEGIN;
DELETE FROM quakes WHERE magnitude < 3;
SELECT count(*) AS left_in_here FROM quakes;
ROLLBACK;
SELECT count(*) AS all_again FROM quakes;
