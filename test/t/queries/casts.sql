-- What an encrypted column needs a cast for and plain text does not: doc/types.md lists the same. The
-- first statement is what works on plain text; encrypted, it fails with the SQLSTATE in the name,
-- or gives another order. The others work on both, and agree.

-- arrays of encrypted values beside arrays of text (42883)
SELECT array_agg(email ORDER BY email) @> ARRAY['hholy@gmail.com']::varchar[] FROM customer;
SELECT array_agg(email::text ORDER BY email) @> ARRAY['hholy@gmail.com'] FROM customer;
SELECT customer_id FROM customer WHERE ARRAY[email::text, phone] && ARRAY['hholy@gmail.com'];

-- RETURN QUERY of a function that returns text (42804)
SELECT * FROM mails_uncast('Norway') ORDER BY 1;
SELECT * FROM mails_cast('Norway') ORDER BY 1;

-- the first part of a recursive query, when the second is text (42804)
WITH RECURSIVE s AS (SELECT employee_id, last_name FROM employee WHERE reports_to IS NULL UNION ALL SELECT e.employee_id, (s.last_name || e.last_name)::varchar(20) FROM employee e JOIN s ON e.reports_to = s.employee_id) SELECT * FROM s ORDER BY 1;
WITH RECURSIVE s AS (SELECT employee_id, last_name::text FROM employee WHERE reports_to IS NULL UNION ALL SELECT e.employee_id, s.last_name || e.last_name FROM employee e JOIN s ON e.reports_to = s.employee_id) SELECT * FROM s ORDER BY 1;

-- a literal in a CHECK constraint (0A000)
ALTER TABLE customer ADD CONSTRAINT somewhere CHECK (country <> '');
ALTER TABLE customer ADD CONSTRAINT anywhere CHECK (country <> ''::text OR length(city) > 0);

-- a literal in a policy (0A000)
CREATE POLICY europeans ON customer USING (country IN ('France', 'Germany'));
CREATE POLICY americans ON customer USING (country = ANY ('{USA,Canada}'::text[]) OR country = 'Brazil'::text);

-- a literal in a trigger's condition (0A000)
CREATE TRIGGER when_moved BEFORE UPDATE ON customer FOR EACH ROW WHEN (NEW.country = 'Chile') EXECUTE FUNCTION suppress_redundant_updates_trigger();
CREATE TRIGGER when_gone BEFORE UPDATE ON customer FOR EACH ROW WHEN (NEW.country = 'Chile'::text) EXECUTE FUNCTION suppress_redundant_updates_trigger();

-- a literal in a rule's condition (0A000)
CREATE RULE keep AS ON DELETE TO french WHERE OLD.city = 'Lyon' DO INSTEAD NOTHING;
CREATE RULE hold AS ON DELETE TO french WHERE OLD.city = 'Lyon'::text DO INSTEAD NOTHING;

-- a literal in a BEGIN ATOMIC body (0A000)
CREATE FUNCTION norwegians() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM customer WHERE country = 'Norway'; END;
CREATE FUNCTION danes() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM customer WHERE country = 'Denmark'::text; END;
SELECT danes();

-- one untyped parameter that is both an encrypted and a text value (42P08)
PREPARE both_kinds AS INSERT INTO history (new_mail) SELECT $1 FROM customer WHERE email = $1;
PREPARE both_cast AS INSERT INTO history (new_mail) SELECT $1::text FROM customer WHERE email = $1::text;
EXECUTE both_cast ('hholy@gmail.com');

-- ORDER BY a row or an array that is also in the output (other order)
SELECT last_name, ARRAY[last_name, first_name] AS names FROM customer ORDER BY names;
SELECT last_name, ARRAY[last_name::text, first_name] AS names FROM customer ORDER BY names;
SELECT last_name, ARRAY[last_name, first_name] AS names FROM customer ORDER BY last_name, first_name;

-- ORDER BY a whole row (other order)
SELECT n.* FROM (SELECT last_name, first_name FROM customer) n ORDER BY n;
SELECT n.* FROM (SELECT last_name::text, first_name::text FROM customer) n ORDER BY n;

-- DISTINCT rows in order (other order)
SELECT DISTINCT (country, city) FROM customer ORDER BY 1;
SELECT DISTINCT (country::text, city::text) FROM customer ORDER BY 1;
