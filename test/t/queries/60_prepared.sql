-- Prepared statements, run often enough to become generic plans; cursors; PL/pgSQL.

-- untyped parameters
PREPARE by_mail AS SELECT customer_id, last_name FROM customer WHERE email = $1;
EXECUTE by_mail ('luisg@embraer.com.br');
EXECUTE by_mail ('hholy@gmail.com');
EXECUTE by_mail ('nobody');
EXECUTE by_mail (NULL);
EXECUTE by_mail ('fralston@gmail.com');
EXECUTE by_mail ('fharris@google.com');
EXECUTE by_mail ('luisg@embraer.com.br');
DEALLOCATE by_mail;

-- parameters of type text
PREPARE by_place (text, text) AS SELECT customer_id, city FROM customer WHERE country = $1 AND (state = $2 OR $2 IS NULL) ORDER BY city, customer_id;
EXECUTE by_place ('USA', 'CA');
EXECUTE by_place ('Canada', NULL);
EXECUTE by_place ('Brazil', 'SP');
EXECUTE by_place ('USA', 'NY');
EXECUTE by_place ('Germany', NULL);
EXECUTE by_place ('USA', 'CA');
EXECUTE by_place ('Brazil', 'RJ');
DEALLOCATE by_place;

-- parameters of type varchar, in a range and a pattern
PREPARE by_name (varchar, varchar) AS SELECT last_name FROM customer WHERE last_name >= $1 AND last_name LIKE $2 ORDER BY last_name;
EXECUTE by_name ('G', '%o%');
EXECUTE by_name ('M', '%e%');
EXECUTE by_name ('R', '%');
EXECUTE by_name ('S', '_c%');
EXECUTE by_name ('A', 'A%');
EXECUTE by_name ('G', '%o%');
EXECUTE by_name ('Z', '%');
DEALLOCATE by_name;

-- an array parameter, typed and untyped
PREPARE any_of (text[]) AS SELECT customer_id FROM customer WHERE country = ANY ($1) ORDER BY customer_id;
EXECUTE any_of ('{Norway,Sweden}');
EXECUTE any_of ('{}');
EXECUTE any_of (NULL);
EXECUTE any_of ('{Chile,NULL}');
EXECUTE any_of (ARRAY['India', 'Italy']);
EXECUTE any_of ('{Poland}');
EXECUTE any_of ('{Norway,Sweden}');
PREPARE any_state AS SELECT customer_id FROM customer WHERE state = ANY ($1) ORDER BY customer_id;
EXECUTE any_state ('{CA,ON}');
EXECUTE any_state ('{SP}');
EXECUTE any_state ('{NV,UT}');
EXECUTE any_state ('{QC,NULL}');
EXECUTE any_state ('{}');
EXECUTE any_state ('{WI}');
EXECUTE any_state ('{CA,ON}');
DEALLOCATE ALL;

-- parameters in the list of results, in COALESCE, IN and LIMIT
PREPARE mixed AS SELECT customer_id, $1::text AS tag, COALESCE(company, $2) FROM customer WHERE country IN ($3, $4) ORDER BY last_name LIMIT $5;
EXECUTE mixed ('a', 'none', 'USA', 'Canada', 3);
EXECUTE mixed ('b', NULL, 'Norway', 'Chile', 5);
EXECUTE mixed ('c', 'none', 'Brazil', NULL, 2);
EXECUTE mixed ('d', '', 'India', 'India', 2);
EXECUTE mixed ('e', 'x', 'Spain', 'Italy', 2);
EXECUTE mixed ('f', 'y', 'USA', 'Canada', 4);
EXECUTE mixed ('g', 'none', 'France', 'Portugal', 9);
DEALLOCATE mixed;

-- always generic, and always custom
SET plan_cache_mode = force_generic_plan;
PREPARE generic AS SELECT c.customer_id, count(*) FROM customer c JOIN invoice i ON i.billing_city = c.city WHERE c.country = $1 GROUP BY 1 ORDER BY 1;
EXECUTE generic ('Germany');
EXECUTE generic ('France');
SET plan_cache_mode = force_custom_plan;
EXECUTE generic ('Germany');
RESET plan_cache_mode;
DEALLOCATE generic;

-- a scrollable cursor
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT last_name, country FROM customer ORDER BY last_name, customer_id;
FETCH 3 FROM c;
FETCH LAST FROM c;
FETCH BACKWARD 2 FROM c;
FETCH ABSOLUTE 10 FROM c;
MOVE RELATIVE -3 IN c;
FETCH NEXT FROM c;
COMMIT;

-- a cursor WITH HOLD
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT email, state FROM customer WHERE country = 'USA' ORDER BY email;
FETCH 2 FROM held;
COMMIT;
FETCH 4 FROM held;
CLOSE held;

-- rows locked FOR UPDATE, FOR SHARE, SKIP LOCKED
BEGIN;
SELECT customer_id, email FROM customer WHERE email = 'hholy@gmail.com' FOR UPDATE;
SELECT customer_id FROM customer WHERE state = 'CA' ORDER BY last_name FOR SHARE;
SELECT c.customer_id, i.invoice_id FROM customer c JOIN invoice i USING (customer_id) WHERE c.country = 'Norway' ORDER BY i.invoice_id FOR NO KEY UPDATE OF c SKIP LOCKED;
ROLLBACK;

-- PL/pgSQL: %ROWTYPE, %TYPE, loops over queries
DO $$
DECLARE
    r customer%ROWTYPE;
    mail customer.email%TYPE;
    region customer.state%TYPE := 'CA';
    place text;
BEGIN
    SELECT * INTO STRICT r FROM customer WHERE email = 'luisg@embraer.com.br';
    RAISE NOTICE '% % lives in %, %', r.first_name, r.last_name, r.city, r.country;
    mail := r.email;
    IF mail = 'luisg@embraer.com.br' AND mail LIKE 'luis%' THEN
        RAISE NOTICE 'the same address: % (% characters)', mail, length(mail);
    END IF;
    FOR r IN SELECT * FROM customer WHERE state = region ORDER BY last_name LOOP
        RAISE NOTICE '%: % %', region, r.last_name, upper(r.city);
    END LOOP;
    FOR place IN SELECT DISTINCT country FROM customer WHERE country < 'C' ORDER BY 1 LOOP
        RAISE NOTICE 'country %', place;
    END LOOP;
    SELECT country, state INTO place, region FROM customer WHERE customer_id = 1;
    RAISE NOTICE '% %', place, region;
    FOREACH place IN ARRAY ARRAY['Norway', 'Nowhere'] LOOP
        SELECT email INTO mail FROM customer WHERE country = place ORDER BY customer_id;
        RAISE NOTICE '%: %, found %', place, mail, FOUND;
    END LOOP;
END $$;

-- PL/pgSQL: dynamic SQL, cursors, functions that return rows
DO $$
DECLARE
    c CURSOR (land text) FOR SELECT * FROM customer WHERE country = land ORDER BY last_name;
    n bigint;
    who record;
BEGIN
    EXECUTE 'SELECT count(*) FROM customer WHERE country = $1 AND email LIKE $2' INTO n USING 'USA', '%.com';
    RAISE NOTICE '% customers', n;
    EXECUTE format('SELECT count(*) FROM customer WHERE country = %L', 'Brazil') INTO n;
    RAISE NOTICE '% customers', n;
    FOR who IN c ('Brazil') LOOP
        RAISE NOTICE '% %', who.last_name, who.company;
    END LOOP;
    FOR who IN SELECT * FROM customers_in('India') ORDER BY email LOOP
        RAISE NOTICE '%', who.email;
    END LOOP;
    who := (SELECT x FROM customer x WHERE customer_id = 2);
    RAISE NOTICE '% %', who.last_name, who.address;
END $$;
SELECT find_customer('hholy@gmail.com'), (find_customer('fharris@google.com')).company;
SELECT * FROM list_customers('Canada') ORDER BY name;

-- PL/pgSQL: a function called seven times with another value each
SELECT country, count_customers(country), count_customers_untyped(country) FROM (SELECT DISTINCT country::text AS country FROM customer WHERE country < 'E') x ORDER BY country;
