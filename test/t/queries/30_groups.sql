-- Aggregates, grouping, DISTINCT, windows.

-- GROUP BY a searchable column, with HAVING
SELECT country, count(*) AS n FROM customer GROUP BY country HAVING count(*) > 1 ORDER BY n DESC, country;

-- GROUP BY a randomized column with NULLs
SELECT state, count(*), min(customer_id) FROM customer GROUP BY state ORDER BY state NULLS FIRST;

-- GROUP BY several columns and an expression
SELECT billing_country, billing_state, sum(total) FROM invoice GROUP BY billing_country, billing_state ORDER BY 1, 2;
SELECT left(last_name, 1) AS initial, count(*), string_agg(last_name, ',' ORDER BY last_name) FROM customer GROUP BY 1 ORDER BY 1;
SELECT split_part(email, '@', 2) AS domain, count(*) FROM customer GROUP BY domain ORDER BY count(*) DESC, domain;

-- HAVING over an encrypted column
SELECT support_rep_id, max(country) FROM customer GROUP BY support_rep_id HAVING min(country) < 'B' AND bool_or(state = 'CA') ORDER BY 1;

-- ROLLUP, CUBE, GROUPING SETS
SELECT country, state, count(*), grouping(country, state) FROM customer WHERE country IN ('USA', 'Canada', 'Brazil') GROUP BY ROLLUP (country, state) ORDER BY country, state, 4;
SELECT country, support_rep_id, count(*) FROM customer WHERE country < 'C' GROUP BY CUBE (country, support_rep_id) ORDER BY 1, 2, 3;
SELECT country, city, count(*) FROM customer WHERE country LIKE 'U%' GROUP BY GROUPING SETS ((country), (city), ()) ORDER BY 1, 2, 3;

-- min and max
SELECT min(last_name), max(last_name), min(state), max(state), min(email), max(postal_code) FROM customer;
SELECT country, min(city), max(city), max(fax) FROM customer GROUP BY country ORDER BY country;

-- count, and count of distinct values
SELECT count(*), count(company), count(DISTINCT country), count(DISTINCT state), count(DISTINCT (country, state)) FROM customer;

-- array_agg and string_agg, ordered and distinct
SELECT country, array_agg(city ORDER BY city, customer_id) FROM customer GROUP BY country ORDER BY country;
SELECT support_rep_id, string_agg(DISTINCT country, '; ' ORDER BY country) FROM customer GROUP BY support_rep_id ORDER BY 1;
SELECT array_agg(DISTINCT state ORDER BY state DESC NULLS LAST) FROM customer;
SELECT string_agg(first_name, ', ' ORDER BY last_name DESC) FROM customer WHERE country = 'Brazil';

-- aggregates and windows ordered by rows and arrays
SELECT string_agg(last_name, ',' ORDER BY (country, last_name)), array_agg(last_name ORDER BY ARRAY[country, last_name]) FROM customer;
SELECT last_name, rank() OVER (ORDER BY (country, state)), row_number() OVER (PARTITION BY (country, city) ORDER BY (last_name, first_name)) FROM customer ORDER BY customer_id;

-- aggregates with FILTER and CASE
SELECT country, count(*) FILTER (WHERE email LIKE '%gmail%') AS gmail, count(*) FILTER (WHERE state = 'CA') AS ca, sum(CASE WHEN company IS NULL THEN 0 ELSE 1 END) AS firms
  FROM customer GROUP BY country ORDER BY country;

-- ordered-set aggregates
SELECT mode() WITHIN GROUP (ORDER BY country), mode() WITHIN GROUP (ORDER BY state) FROM customer;
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY last_name), percentile_disc(ARRAY[0.25, 0.75]) WITHIN GROUP (ORDER BY email) FROM customer;
SELECT rank('M') WITHIN GROUP (ORDER BY last_name) FROM customer;

-- DISTINCT
SELECT DISTINCT country FROM customer ORDER BY country;
SELECT DISTINCT state FROM customer ORDER BY state DESC;
SELECT DISTINCT country, city FROM customer WHERE country IN ('USA', 'France') ORDER BY city DESC, country;
SELECT count(*) FROM (SELECT DISTINCT billing_address, billing_city FROM invoice) x;

-- DISTINCT ON
SELECT DISTINCT ON (country) country, last_name, customer_id FROM customer ORDER BY country, last_name, customer_id;
SELECT DISTINCT ON (state) state, city, customer_id FROM customer ORDER BY state DESC, city, customer_id;
SELECT DISTINCT ON (billing_country, billing_city) billing_country, billing_city, total FROM invoice ORDER BY billing_country, billing_city, total DESC;

-- window functions over partitions
SELECT country, last_name, row_number() OVER (PARTITION BY country ORDER BY last_name), rank() OVER (ORDER BY country), dense_rank() OVER (ORDER BY country DESC)
  FROM customer ORDER BY country, last_name;
SELECT customer_id, state, count(*) OVER (PARTITION BY state), first_value(city) OVER (PARTITION BY state ORDER BY city, customer_id) FROM customer ORDER BY customer_id;

-- lag, lead, nth_value, ntile
SELECT last_name, lag(last_name) OVER w, lead(last_name, 2, 'the end') OVER w, nth_value(first_name, 3) OVER w, ntile(4) OVER w
  FROM customer WINDOW w AS (ORDER BY last_name) ORDER BY last_name;

-- window frames
SELECT last_name, count(*) OVER (ORDER BY last_name ROWS BETWEEN 2 PRECEDING AND CURRENT ROW), string_agg(left(last_name, 1), '') OVER (ORDER BY last_name ROWS 3 PRECEDING) FROM customer ORDER BY last_name;
SELECT country, customer_id, count(*) OVER (ORDER BY country RANGE UNBOUNDED PRECEDING), max(last_name) OVER (ORDER BY country GROUPS 1 PRECEDING) FROM customer ORDER BY country, customer_id;

-- windows over aggregates
SELECT billing_country, sum(total), rank() OVER (ORDER BY sum(total) DESC, billing_country), round(100 * sum(total) / sum(sum(total)) OVER (), 2) FROM invoice GROUP BY billing_country ORDER BY 3;

-- the top customer of each country
SELECT country, email, spent
  FROM (SELECT c.country, c.email, sum(i.total) AS spent, row_number() OVER (PARTITION BY c.country ORDER BY sum(i.total) DESC, c.email) AS place
          FROM customer c JOIN invoice i USING (customer_id) GROUP BY c.customer_id) ranked
 WHERE place = 1 ORDER BY country;

-- grouped by the primary key, with encrypted columns along
SELECT c.customer_id, c.first_name, c.last_name, c.state, count(i.*) FROM customer c LEFT JOIN invoice i USING (customer_id) GROUP BY c.customer_id ORDER BY c.last_name, c.first_name;
