-- Which rows, in which order. A comment after an empty line begins a query and names it.

-- equality with a literal, through the unique index
SELECT * FROM customer WHERE email = 'luisg@embraer.com.br';

-- equality with a literal on a randomized column
SELECT customer_id, state FROM customer WHERE state = 'CA' ORDER BY customer_id;

-- nobody is found
SELECT count(*) FROM customer WHERE email = 'nobody@example.com' OR state = 'ZZ';

-- inequality, with and without NULLs in the column
SELECT customer_id, country, company FROM customer WHERE country <> 'USA' AND company <> 'Riotur' ORDER BY customer_id;

-- IS NULL and IS NOT NULL
SELECT customer_id, fax IS NULL AS no_fax, company IS NOT NULL AS has_company FROM customer WHERE state IS NULL OR postal_code IS NULL ORDER BY customer_id;

-- IS DISTINCT FROM
SELECT customer_id FROM customer WHERE state IS DISTINCT FROM 'SP' AND country IS NOT DISTINCT FROM 'Brazil' ORDER BY customer_id;

-- ranges and BETWEEN, by plaintext
SELECT last_name, first_name FROM customer WHERE last_name >= 'M' AND last_name < 'S' ORDER BY last_name, first_name;
SELECT last_name FROM customer WHERE last_name BETWEEN 'Ga' AND 'Ha' ORDER BY last_name;
SELECT postal_code FROM customer WHERE postal_code NOT BETWEEN '2' AND '9' ORDER BY postal_code;

-- IN with literals
SELECT customer_id, country FROM customer WHERE country IN ('Norway', 'Sweden', 'Finland', 'Denmark') ORDER BY country;
SELECT customer_id FROM customer WHERE state NOT IN ('CA', 'SP', 'ON') ORDER BY customer_id;

-- IN with a NULL among the literals
SELECT customer_id FROM customer WHERE state IN ('CA', NULL) ORDER BY customer_id;
SELECT count(*) FROM customer WHERE country NOT IN ('USA', NULL);

-- = ANY and <> ALL of arrays
SELECT customer_id FROM customer WHERE country = ANY (ARRAY['France', 'Spain']) ORDER BY customer_id;
SELECT customer_id FROM customer WHERE country = ANY ('{Portugal,Poland,Italy}') ORDER BY customer_id;
SELECT customer_id FROM customer WHERE country <> ALL ('{USA,Canada,Brazil,France,Germany}'::text[]) AND state = ANY ('{VV,NSW}'::varchar[]) ORDER BY customer_id;

-- LIKE, NOT LIKE, ILIKE, SIMILAR TO, with an escape
SELECT email FROM customer WHERE email LIKE '%@yahoo.__' ORDER BY email;
SELECT last_name FROM customer WHERE last_name ILIKE 'm%' OR last_name LIKE '_o%' ORDER BY last_name, customer_id;
SELECT email FROM customer WHERE email NOT LIKE '%@%.com' AND email LIKE '%!_%' ESCAPE '!' ORDER BY email;
SELECT first_name FROM customer WHERE first_name SIMILAR TO '(J|M)%a%' ORDER BY first_name, customer_id;
SELECT company FROM customer WHERE company LIKE 'R%' ORDER BY company;

-- a pattern that is a column itself
SELECT c.email FROM customer c WHERE lower(c.email) LIKE '%' || lower(c.last_name) || '%' ORDER BY c.email;

-- regular expressions
SELECT phone FROM customer WHERE phone ~ '^\+1 \([2-4]' ORDER BY phone;
SELECT last_name FROM customer WHERE last_name ~* '^[a-c]' AND email !~ 'gmail' ORDER BY last_name;
SELECT customer_id FROM customer WHERE postal_code !~* '[a-z]' ORDER BY customer_id LIMIT 10;

-- the prefix operator, and LIKE ANY
SELECT last_name FROM customer WHERE last_name ^@ 'Sch' ORDER BY last_name;
SELECT last_name FROM customer WHERE last_name LIKE ANY (ARRAY['A%', 'Z%']) ORDER BY last_name;

-- ORDER BY ascending and descending, with LIMIT and OFFSET
SELECT last_name, first_name FROM customer ORDER BY last_name, first_name LIMIT 12;
SELECT last_name, first_name FROM customer ORDER BY last_name DESC, first_name DESC LIMIT 8 OFFSET 5;
SELECT email FROM customer ORDER BY email FETCH FIRST 5 ROWS ONLY;
SELECT country FROM customer ORDER BY country FETCH FIRST 7 ROWS WITH TIES;

-- ORDER BY with NULLs first and last
SELECT customer_id, state FROM customer ORDER BY state NULLS FIRST, customer_id;
SELECT customer_id, company FROM customer ORDER BY company DESC NULLS LAST, customer_id;
SELECT customer_id, fax FROM customer ORDER BY fax DESC, customer_id LIMIT 50;

-- ORDER BY in other collations
SELECT last_name FROM customer ORDER BY last_name COLLATE "C";
SELECT last_name FROM customer ORDER BY last_name COLLATE "sv-x-icu" DESC;
SELECT city FROM customer WHERE city COLLATE "C" > 'P' ORDER BY city COLLATE "C", customer_id;

-- ORDER BY expressions, positions, names of the output
SELECT customer_id, last_name FROM customer ORDER BY length(last_name) DESC, lower(last_name), 1 LIMIT 15;
SELECT customer_id, upper(country) AS land FROM customer ORDER BY land, customer_id DESC;
SELECT first_name || ' ' || last_name AS name FROM customer ORDER BY 1;
SELECT customer_id FROM customer ORDER BY country = 'Canada' DESC, state, customer_id LIMIT 15;
SELECT customer_id, country FROM customer ORDER BY CASE WHEN country = 'USA' THEN 0 WHEN country LIKE 'B%' THEN 1 ELSE 2 END, country, customer_id LIMIT 25;

-- ORDER BY rows and arrays that are written out, as paging by a row comparison does
SELECT last_name, first_name FROM customer ORDER BY (last_name, first_name) LIMIT 20;
SELECT last_name FROM customer WHERE (last_name, first_name) > ('Holý', 'x') ORDER BY (last_name, first_name) LIMIT 7;
SELECT customer_id FROM customer ORDER BY (state, customer_id % 3, last_name COLLATE "C") DESC;
SELECT customer_id FROM customer ORDER BY ARRAY[state, last_name, 'x'];
SELECT DISTINCT ON ((country, state)) last_name FROM customer ORDER BY (country, state), last_name;
SELECT country, count(*) FROM customer GROUP BY country, state ORDER BY (country, state);

-- ORDER BY USING
SELECT last_name FROM customer ORDER BY last_name USING > LIMIT 6;

-- CASE, both forms
SELECT customer_id, CASE country WHEN 'USA' THEN 'domestic' WHEN 'Canada' THEN 'neighbour' ELSE country END AS region FROM customer ORDER BY customer_id;
SELECT customer_id, CASE WHEN company IS NULL THEN last_name ELSE company END AS label FROM customer ORDER BY label, customer_id;
SELECT customer_id, CASE WHEN state IS NOT NULL THEN state WHEN postal_code IS NOT NULL THEN postal_code END AS any_code FROM customer ORDER BY any_code, customer_id;

-- COALESCE and NULLIF
SELECT customer_id, COALESCE(company, 'private') AS company, COALESCE(fax, phone, '-') AS reach FROM customer ORDER BY customer_id;
SELECT customer_id, COALESCE(state, country) AS area, NULLIF(country, 'USA') AS abroad, NULLIF(phone, fax) AS phone_only FROM customer ORDER BY area, customer_id;
SELECT count(NULLIF(city, 'Prague')), count(NULLIF('Prague', city)) FROM customer;

-- GREATEST and LEAST
SELECT customer_id, GREATEST(first_name, last_name) AS g, LEAST(first_name, last_name) AS l FROM customer ORDER BY g, l;
SELECT customer_id, GREATEST(state, country, 'M') AS g, LEAST(city, 'Lima') AS l FROM customer ORDER BY customer_id;

-- row comparison and row membership
SELECT customer_id FROM customer WHERE (country, city) = ('France', 'Paris') ORDER BY customer_id;
SELECT last_name, first_name FROM customer WHERE (last_name, first_name) > ('Mitchell', 'Aaron') ORDER BY last_name, first_name LIMIT 5;
SELECT customer_id FROM customer WHERE (country, state) IN (('USA', 'CA'), ('Canada', 'ON'), ('Brazil', 'RJ')) ORDER BY customer_id;
SELECT customer_id FROM customer WHERE (state, postal_code) < ('CA', '94040-112') ORDER BY state DESC, postal_code DESC, customer_id;

-- sub-queries with IN, EXISTS and NOT EXISTS
SELECT customer_id FROM customer WHERE country IN (SELECT billing_country FROM invoice WHERE total > 20) ORDER BY customer_id;
SELECT country FROM customer c WHERE NOT EXISTS (SELECT FROM invoice i WHERE i.billing_country = c.country AND i.total > 14) GROUP BY country ORDER BY country;
SELECT employee_id, city FROM employee e WHERE EXISTS (SELECT FROM customer c WHERE c.state = e.state AND c.city = e.city) ORDER BY employee_id;
SELECT employee_id FROM employee WHERE city NOT IN (SELECT city FROM customer WHERE city IS NOT NULL) ORDER BY employee_id;

-- scalar sub-queries, and comparison with ALL of a sub-query
SELECT customer_id, (SELECT e.email FROM employee e WHERE e.employee_id = c.support_rep_id) AS rep FROM customer c WHERE country = (SELECT country FROM employee WHERE employee_id = 1) ORDER BY customer_id;
SELECT customer_id, last_name FROM customer WHERE last_name > ALL (SELECT last_name FROM employee) ORDER BY last_name;
SELECT customer_id, last_name FROM customer WHERE last_name = ANY (SELECT last_name FROM employee) ORDER BY last_name;

-- keyset pagination, two pages
SELECT last_name, customer_id FROM customer ORDER BY last_name, customer_id LIMIT 10;
SELECT last_name, customer_id FROM customer WHERE (last_name, customer_id) > ('Fernandes', 34) ORDER BY last_name, customer_id LIMIT 10;

-- boolean expressions as columns
SELECT customer_id, country = 'Brazil' AS b, state = 'SP' IS TRUE AS sp, email LIKE '%.br' AS br, state < country AS before FROM customer ORDER BY customer_id LIMIT 20;

-- TABLE and SELECT *
TABLE employee ORDER BY employee_id;
SELECT * FROM customer ORDER BY customer_id;
