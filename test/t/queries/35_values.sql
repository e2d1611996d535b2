-- dates of birth and hire of employees, totals of invoices: what an application reckons with them

-- who was hired when
SELECT last_name, hire_date, hire_date::date AS day, to_char(hire_date, 'DD.MM.YYYY') FROM employee ORDER BY hire_date, employee_id;
-- hired on a day
SELECT last_name FROM employee WHERE hire_date = '2002-08-14' OR hire_date = timestamp '2003-10-17' OR hire_date = date '2004-03-04' ORDER BY 1;
-- hired in a year
SELECT last_name FROM employee WHERE hire_date >= '2003-01-01' AND hire_date < timestamp '2004-01-01' ORDER BY employee_id;
-- hired in one of these
SELECT last_name FROM employee WHERE hire_date IN ('2002-08-14', '2003-05-03') ORDER BY 1;
-- hired by year
SELECT extract(year FROM hire_date) AS year, count(*), min(hire_date), max(hire_date) FROM employee GROUP BY 1 ORDER BY 1;
-- hired in a quarter
SELECT date_trunc('quarter', hire_date) AS quarter, string_agg(last_name, ', ' ORDER BY last_name) FROM employee GROUP BY 1 ORDER BY 1;
-- age when hired
SELECT last_name, age(hire_date, birth_date), date_part('year', age(hire_date, birth_date)) FROM employee ORDER BY 2 DESC, 1;
-- the oldest first
SELECT first_name, birth_date FROM employee ORDER BY birth_date NULLS LAST LIMIT 3;
-- a round birthday
SELECT last_name, birth_date + interval '60 years' AS sixty, (birth_date + interval '60 years')::date - date '2020-01-01' AS days FROM employee ORDER BY 2, 1;
-- older than 30 when hired
SELECT last_name FROM employee WHERE birth_date + interval '30 years' < hire_date ORDER BY 1;
-- born in the sixties
SELECT last_name FROM employee WHERE birth_date BETWEEN '1960-01-01' AND '1969-12-31' ORDER BY 1;
-- birthdays by month
SELECT to_char(birth_date, 'MM') AS month, count(*) FROM employee GROUP BY 1 ORDER BY 1;
-- days between hires
SELECT last_name, hire_date - lag(hire_date) OVER (ORDER BY hire_date, employee_id) AS gap FROM employee ORDER BY hire_date, employee_id;
-- who was hired before the manager
SELECT e.last_name, m.last_name FROM employee e JOIN employee m ON m.employee_id = e.reports_to WHERE e.hire_date < m.hire_date ORDER BY 1;
-- hired on the same day
SELECT a.last_name, b.last_name FROM employee a JOIN employee b ON a.hire_date = b.hire_date AND a.employee_id < b.employee_id ORDER BY 1, 2;
-- last invoice's date against hire dates
SELECT count(*) FROM invoice i, employee e WHERE i.invoice_date > e.hire_date;

-- the highest totals
SELECT invoice_id, total FROM invoice ORDER BY total DESC, invoice_id LIMIT 10;
-- a total, written in several ways
SELECT count(*) FROM invoice WHERE total = 1.98 OR total = '1.980' OR total = 0.99::real;
-- totals in a list
SELECT total, count(*) FROM invoice WHERE total IN (1.98, 3.96, 5.940) GROUP BY total ORDER BY total;
-- totals in a range
SELECT count(*), sum(total) FROM invoice WHERE total BETWEEN 5 AND 10;
-- above the average
SELECT count(*) FROM invoice WHERE total > (SELECT avg(total) FROM invoice);
-- what an accountant asks
SELECT sum(total), avg(total), min(total), max(total), stddev(total), count(DISTINCT total) FROM invoice;
-- with tax
SELECT invoice_id, total * 1.19 AS gross, round(total * 1.19, 1), total - 1 AS less, -total, total / 2, abs(total), total % 2 FROM invoice ORDER BY invoice_id LIMIT 12;
-- by country
SELECT billing_country, sum(total) AS spent, avg(total)::numeric(10, 3) FROM invoice GROUP BY billing_country HAVING sum(total) > 20 ORDER BY spent DESC, 1;
-- by year
SELECT extract(year FROM invoice_date), sum(total) FROM invoice GROUP BY 1 ORDER BY 1;
-- running total
SELECT invoice_id, sum(total) OVER (ORDER BY invoice_id) FROM invoice ORDER BY invoice_id LIMIT 15;
-- the share of a country
SELECT DISTINCT billing_country, sum(total) OVER (PARTITION BY billing_country) / sum(total) OVER () AS share FROM invoice ORDER BY 2 DESC, 1 LIMIT 8;
-- classes of totals
SELECT CASE WHEN total < 2 THEN 'small' WHEN total < 10 THEN 'medium' ELSE 'large' END AS class, count(*) FROM invoice GROUP BY 1 ORDER BY 1;
-- percentiles
SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY total), percentile_disc(0.9) WITHIN GROUP (ORDER BY total) FROM invoice;
-- totals against their lines
SELECT count(*) FROM invoice i WHERE total = (SELECT sum(l.unit_price * l.quantity) FROM invoice_line l WHERE l.invoice_id = i.invoice_id);
-- invoices of the same total
SELECT count(*) FROM invoice a JOIN invoice b ON a.total = b.total AND a.invoice_id < b.invoice_id;
-- defaults and bounds
SELECT sum(coalesce(total, 0.0)), count(nullif(total, 0.99)), max(greatest(total, 5.0)), min(least(total, 3.5)) FROM invoice;
-- text of totals
SELECT format('%s EUR', total), total || '', concat(total, '/', billing_city), to_char(total, 'FM990.00') FROM invoice ORDER BY invoice_id LIMIT 5;
-- JSON of an invoice
SELECT to_json(i), row_to_json(i) FROM (SELECT invoice_id, total FROM invoice ORDER BY 1 LIMIT 3) i;
-- both, prepared
PREPARE paid (numeric) AS SELECT count(*) FROM invoice WHERE total = $1; EXECUTE paid (1.98); EXECUTE paid (1.980); EXECUTE paid (NULL); DEALLOCATE paid;
-- prepared without a type
PREPARE since AS SELECT last_name FROM employee WHERE hire_date >= $1 ORDER BY hire_date, 1; EXECUTE since ('2003-05-03'); DEALLOCATE since;
