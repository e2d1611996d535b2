-- What an application defines over the tables; the same text for plain and encrypted ones.

CREATE VIEW customer_list AS
    SELECT customer_id AS id, first_name || ' ' || last_name AS name, address, city, country, email FROM customer;
CREATE VIEW customer_by_country AS
    SELECT country, count(*) AS customers, min(last_name) AS first_one FROM customer GROUP BY country;
CREATE VIEW spending AS
    SELECT c.customer_id, c.last_name, c.country, sum(i.total) AS spent
      FROM customer c JOIN invoice i ON i.customer_id = c.customer_id AND i.billing_country = c.country
     GROUP BY c.customer_id;
CREATE VIEW best_customers AS
    SELECT last_name AS name, country, spent FROM spending WHERE spent > 37 AND country IS DISTINCT FROM 'Nowhere';
CREATE VIEW french AS
    SELECT * FROM customer WHERE country = 'France' WITH CHECK OPTION;
CREATE MATERIALIZED VIEW sales_by_city AS
    SELECT billing_country AS country, billing_city AS city, sum(total) AS spent FROM invoice GROUP BY 1, 2;

CREATE FUNCTION customers_of(land text) RETURNS bigint LANGUAGE sql STABLE AS
    'SELECT count(*) FROM customer WHERE country = land';
CREATE FUNCTION customers_in(land text) RETURNS SETOF customer LANGUAGE sql STABLE AS
    'SELECT * FROM customer WHERE country = land';
CREATE VIEW in_order_of_names AS
    SELECT last_name, first_name FROM customer ORDER BY (last_name, first_name);
CREATE FUNCTION first_customers(n bigint) RETURNS SETOF in_order_of_names LANGUAGE sql STABLE AS
    'SELECT * FROM in_order_of_names LIMIT n';
CREATE FUNCTION initials(first text, last text) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN left(first, 1) || '.' || left(last, 1) || '.';

CREATE FUNCTION find_customer(mail text) RETURNS customer LANGUAGE plpgsql STABLE AS $$
DECLARE
    r customer%ROWTYPE;
BEGIN
    SELECT * INTO r FROM customer WHERE email = mail;
    RETURN r;
END $$;
CREATE FUNCTION list_customers(land text) RETURNS TABLE (name text, mail text, place text) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY SELECT c.last_name::text, c.email::text, c.city::text FROM customer c WHERE c.country = land;
END $$;
CREATE FUNCTION count_customers(land text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM customer c WHERE c.country = land;
    RETURN n;
END $$;
CREATE FUNCTION count_customers_untyped(land text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    mine customer.country%TYPE := land;
    n bigint;
BEGIN
    SELECT count(*) INTO n FROM customer c WHERE c.country = mine AND c.last_name <> '';
    RETURN n;
END $$;

-- who changed what, filled by a trigger
CREATE TABLE history (history_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer_id int, what text, old_mail text, new_mail text);
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.email IS DISTINCT FROM OLD.email THEN
        INSERT INTO history (customer_id, what, old_mail, new_mail) VALUES (NEW.customer_id, TG_OP, OLD.email, NEW.email);
    ELSIF TG_OP = 'INSERT' THEN
        NEW.last_name := initcap(NEW.last_name);
        NEW.company := NULLIF(NEW.company, '');
        INSERT INTO history (customer_id, what, new_mail) VALUES (NEW.customer_id, TG_OP, NEW.email);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO history (customer_id, what, old_mail) VALUES (OLD.customer_id, TG_OP, OLD.email);
        RETURN OLD;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_history BEFORE INSERT OR UPDATE OR DELETE ON customer FOR EACH ROW EXECUTE FUNCTION keep_history();
CREATE FUNCTION note_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO history (what, new_mail) SELECT TG_OP || ' of ' || count(*), string_agg(last_name, ',' ORDER BY last_name) FROM touched;
    RETURN NULL;
END $$;
CREATE TRIGGER note_names AFTER UPDATE ON customer REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION note_names();

-- for queries/casts.sql
CREATE FUNCTION mails_uncast(land text) RETURNS SETOF varchar LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN QUERY SELECT email FROM customer WHERE country = land; END';
CREATE FUNCTION mails_cast(land text) RETURNS SETOF varchar LANGUAGE plpgsql STABLE AS
    'BEGIN RETURN QUERY SELECT email::varchar FROM customer WHERE country = land; END';
