-- Joins, also on encrypted columns: searchable with searchable, randomized with both.

-- customers, their invoices and the titles they bought
SELECT c.last_name, c.email, i.invoice_id, t.name
  FROM customer c
  JOIN invoice i USING (customer_id)
  JOIN invoice_line l USING (invoice_id)
  JOIN track t USING (track_id)
 WHERE c.country = 'Czech Republic'
 ORDER BY c.last_name, i.invoice_id, t.name, l.invoice_line_id;

-- a self-join: who reports to whom
SELECT e.first_name || ' ' || e.last_name AS who, COALESCE(m.last_name, '(nobody)') AS boss
  FROM employee e LEFT JOIN employee m ON m.employee_id = e.reports_to
 ORDER BY boss, who;

-- searchable with searchable
SELECT c.customer_id, i.invoice_id
  FROM customer c JOIN invoice i ON i.billing_country = c.country AND i.customer_id <> c.customer_id
 WHERE c.country IN ('Portugal', 'India') ORDER BY 1, 2;

-- randomized with randomized
SELECT c.customer_id, count(*) FROM customer c JOIN invoice i ON i.billing_address = c.address GROUP BY c.customer_id ORDER BY c.customer_id;

-- randomized with searchable, both ways
SELECT DISTINCT c.customer_id, e.employee_id FROM customer c JOIN employee e ON e.city = c.city ORDER BY 1, 2;
SELECT e.employee_id, count(*) FROM employee e JOIN invoice i ON e.city = i.billing_city GROUP BY e.employee_id ORDER BY e.employee_id;

-- with a plain text column, and with VALUES
SELECT c.customer_id, t.name FROM customer c JOIN (SELECT DISTINCT name FROM track) t ON t.name = c.city ORDER BY 1, 2;
SELECT c.customer_id, v.region
  FROM customer c JOIN (VALUES ('USA', 'north'), ('Canada', 'north'), ('Brazil', 'south'), ('Chile', 'south')) v (country, region) ON v.country = c.country
 ORDER BY v.region, c.customer_id;
SELECT v.state, count(c.customer_id)
  FROM (VALUES ('CA'::text), ('SP'), ('QQ')) v (state) LEFT JOIN customer c ON c.state = v.state
 GROUP BY v.state ORDER BY v.state;

-- USING and NATURAL on encrypted columns
SELECT country, count(*) FROM customer JOIN employee USING (country) GROUP BY country ORDER BY country;
SELECT state, country, c.customer_id, e.employee_id FROM customer c JOIN employee e USING (state, country) ORDER BY 1, 2, 3, 4;
SELECT customer_id, city FROM (SELECT customer_id, city, country FROM customer) c NATURAL JOIN (SELECT DISTINCT billing_city AS city, billing_country AS country FROM invoice WHERE total > 15) i ORDER BY customer_id;

-- full, right and anti joins
SELECT c.city AS customers, e.city AS employees
  FROM (SELECT DISTINCT city FROM customer WHERE country = 'Canada') c FULL JOIN (SELECT DISTINCT city FROM employee) e ON c.city = e.city
 ORDER BY c.city, e.city;
SELECT e.last_name, c.last_name FROM customer c RIGHT JOIN employee e ON e.last_name = c.last_name ORDER BY 1, 2;
SELECT c.customer_id FROM customer c LEFT JOIN employee e ON e.state = c.state WHERE e.employee_id IS NULL AND c.state IS NOT NULL ORDER BY c.customer_id;

-- USING in a full join merges the columns
SELECT last_name, customer_id, employee_id FROM customer FULL JOIN employee USING (last_name) WHERE last_name < 'F' ORDER BY last_name, customer_id;

-- joins on expressions and by inequality
SELECT c.customer_id, e.employee_id FROM customer c JOIN employee e ON lower(c.first_name) = lower(e.first_name) ORDER BY 1, 2;
SELECT c.last_name, count(e.*) FROM customer c LEFT JOIN employee e ON e.last_name < c.last_name GROUP BY c.last_name ORDER BY count(e.*), c.last_name;
SELECT a.customer_id, b.customer_id FROM customer a JOIN customer b ON a.city = b.city AND a.customer_id < b.customer_id ORDER BY 1, 2;

-- LATERAL: each country's latest two invoices
SELECT c.country, l.invoice_id, l.billing_city
  FROM (SELECT DISTINCT country FROM customer) c,
       LATERAL (SELECT invoice_id, billing_city FROM invoice i WHERE i.billing_country = c.country ORDER BY invoice_date DESC, invoice_id LIMIT 2) l
 ORDER BY c.country, l.invoice_id;

-- LATERAL with a randomized column and a set-returning function
SELECT c.customer_id, w.word, w.n
  FROM customer c CROSS JOIN LATERAL regexp_split_to_table(c.address, ' ') WITH ORDINALITY AS w (word, n)
 WHERE c.country = 'Germany' ORDER BY c.customer_id, w.n;

-- generate_series: months without an invoice to Germany
SELECT m::date AS month, count(i.invoice_id) AS invoices, min(i.billing_city) AS city
  FROM generate_series(timestamp '2021-01-01', timestamp '2022-12-01', interval '1 month') m
  LEFT JOIN invoice i ON date_trunc('month', i.invoice_date) = m AND i.billing_country = 'Germany'
 GROUP BY m ORDER BY m;

-- a semi-join over three tables
SELECT DISTINCT c.last_name
  FROM customer c
 WHERE c.customer_id IN (SELECT i.customer_id FROM invoice i JOIN invoice_line l USING (invoice_id) JOIN track t USING (track_id) JOIN genre g USING (genre_id)
                          WHERE g.name = 'Jazz' AND i.billing_country = c.country)
 ORDER BY c.last_name;
