-- Set operations, common table expressions, views.

-- UNION and UNION ALL of encrypted columns
SELECT city FROM customer UNION SELECT city FROM employee ORDER BY city;
SELECT last_name, 'customer' AS what FROM customer WHERE last_name > 'P' UNION ALL SELECT last_name, title FROM employee ORDER BY 1, 2;
SELECT email FROM customer UNION ALL SELECT email FROM employee ORDER BY email DESC LIMIT 20;

-- UNION of an encrypted column with literals, NULL and a plain column
SELECT country FROM customer UNION SELECT 'Atlantis' ORDER BY country;
SELECT country FROM customer WHERE country < 'B' UNION ALL SELECT NULL ORDER BY country NULLS FIRST;
SELECT state FROM customer WHERE country = 'USA' UNION SELECT name FROM genre ORDER BY state;
SELECT name FROM genre UNION ALL SELECT company FROM customer WHERE company IS NOT NULL ORDER BY name;

-- INTERSECT and EXCEPT
SELECT state FROM customer INTERSECT SELECT state FROM employee ORDER BY state;
SELECT country FROM customer EXCEPT SELECT billing_country FROM invoice WHERE total > 14 ORDER BY country;
SELECT city, country FROM customer EXCEPT ALL SELECT billing_city, billing_country FROM invoice WHERE invoice_id % 3 = 0 ORDER BY country, city;
SELECT city FROM customer INTERSECT ALL SELECT billing_city FROM invoice WHERE total < 1 ORDER BY city;
(SELECT country FROM customer ORDER BY country LIMIT 5) UNION (SELECT country FROM customer ORDER BY country DESC LIMIT 5) ORDER BY country;

-- a set operation as a sub-query
SELECT place, count(*) FROM (SELECT state AS place FROM customer UNION ALL SELECT country FROM customer UNION ALL SELECT billing_city FROM invoice) x GROUP BY place ORDER BY count(*) DESC, place LIMIT 20;

-- common table expressions
WITH spent AS (SELECT customer_id, sum(total) AS total FROM invoice GROUP BY customer_id),
     best AS (SELECT c.*, s.total FROM customer c JOIN spent s USING (customer_id) WHERE s.total > 40)
SELECT last_name, country, total FROM best WHERE country <> 'USA' ORDER BY total DESC, last_name;
WITH c AS MATERIALIZED (SELECT country, state, city FROM customer) SELECT a.city, count(*) FROM c a JOIN c b ON a.country = b.country AND a.state = b.state GROUP BY a.city ORDER BY a.city;

-- recursion: the tree of employees
WITH RECURSIVE staff AS (
    SELECT employee_id, last_name, 1 AS depth, last_name::text AS path FROM employee WHERE reports_to IS NULL
    UNION ALL
    SELECT e.employee_id, e.last_name, s.depth + 1, s.path || ' > ' || e.last_name FROM employee e JOIN staff s ON e.reports_to = s.employee_id)
SELECT depth, path, last_name FROM staff ORDER BY path;

-- recursion over an encrypted column, without duplicates
WITH RECURSIVE letters AS (
    SELECT min(last_name) AS last_name FROM customer
    UNION
    SELECT (SELECT min(c.last_name) FROM customer c WHERE c.last_name > l.last_name) FROM letters l WHERE l.last_name IS NOT NULL)
SELECT last_name FROM letters ORDER BY last_name;

-- recursion with SEARCH and CYCLE
WITH RECURSIVE boss AS (
    SELECT employee_id, reports_to, last_name FROM employee WHERE last_name = 'King'
    UNION ALL
    SELECT e.employee_id, e.reports_to, e.last_name FROM employee e JOIN boss b ON e.employee_id = b.reports_to)
SEARCH DEPTH FIRST BY last_name SET ordercol CYCLE employee_id SET is_cycle USING path
SELECT employee_id, last_name, is_cycle FROM boss ORDER BY employee_id;

-- through a view, with conditions and joins on its columns
SELECT * FROM customer_list WHERE country = 'Canada' ORDER BY name;
SELECT v.name, i.invoice_id FROM customer_list v JOIN invoice i ON i.billing_city = v.city WHERE v.email = 'fralston@gmail.com' ORDER BY i.invoice_id;
SELECT country, customers FROM customer_by_country ORDER BY customers DESC, country LIMIT 8;

-- through a view over a view, a materialized view and its index
SELECT name, spent FROM best_customers WHERE country IN ('USA', 'Brazil') ORDER BY spent DESC, name;
SELECT country, city, spent FROM sales_by_city WHERE country = 'Germany' ORDER BY city;
SELECT s.city, c.last_name FROM sales_by_city s JOIN customer c ON c.city = s.city AND c.country = s.country WHERE s.spent > 60 ORDER BY 1, 2;

-- through SQL functions, inlined and not
SELECT customers_of('Norway');
SELECT customer_id, last_name FROM customers_in('France') ORDER BY last_name;
SELECT c.customer_id, initials(c.first_name, c.last_name) FROM customer c ORDER BY 2, 1 LIMIT 10;

-- through an inlined function over a view that is ordered by a row
SELECT last_name FROM first_customers(9);

-- a sub-query in FROM with its own order and limit
SELECT count(*), min(last_name), max(last_name) FROM (SELECT last_name FROM customer ORDER BY last_name LIMIT 10) x;
SELECT x.country, x.n FROM (SELECT country, count(*) AS n FROM customer GROUP BY country) x WHERE x.n = (SELECT max(n) FROM (SELECT count(*) AS n FROM customer GROUP BY country) y);

-- aggregates over a whole row
SELECT c.country, count(c), count(DISTINCT c.city) FROM customer c GROUP BY c.country ORDER BY 1;
SELECT (c).last_name, (c).email FROM (SELECT c FROM customer c WHERE c.customer_id < 4) x ORDER BY 1;
