-- Functions that applications call on text.

-- concatenation, concat, concat_ws, format
SELECT first_name || ' ' || last_name, concat(first_name, ' ', last_name, NULL), concat_ws(', ', city, state, country) FROM customer ORDER BY customer_id;
SELECT format('%s <%s>', last_name, email), format('%I %L', last_name, city) FROM customer ORDER BY customer_id LIMIT 10;
SELECT last_name || customer_id, customer_id || ': ' || last_name FROM customer ORDER BY customer_id LIMIT 5;

-- lengths
SELECT customer_id, length(last_name), char_length(address), octet_length(last_name), bit_length(city) FROM customer ORDER BY customer_id;

-- cutting and searching
SELECT substring(email FROM 1 FOR 5), substring(email, 3), left(email, 3), right(email, 4), split_part(email, '@', 1), split_part(email, '@', -1) FROM customer ORDER BY customer_id LIMIT 12;
SELECT position('@' IN email), strpos(phone, '('), substring(phone FROM '\(([0-9]+)\)'), substring(email SIMILAR '%#"@%#"' ESCAPE '#') FROM customer ORDER BY customer_id LIMIT 12;
SELECT starts_with(email, 'f'), overlay(phone PLACING 'xxx' FROM 1 FOR 3), reverse(last_name) FROM customer ORDER BY customer_id LIMIT 12;

-- case and padding
SELECT upper(last_name), lower(first_name), initcap(email), lpad(last_name, 12, '.'), rpad(city, 12), repeat(state, 2) FROM customer ORDER BY customer_id;
SELECT trim(BOTH '+' FROM phone), ltrim(phone, '+0123456789'), rtrim(email, 'moc.'), btrim(address) FROM customer ORDER BY customer_id LIMIT 12;

-- replacing
SELECT replace(phone, ' ', ''), translate(phone, '+()- ', ''), regexp_replace(phone, '[^0-9]', '', 'g') FROM customer ORDER BY customer_id LIMIT 12;

-- regular expression functions
SELECT regexp_match(email, '(.*)@(.*)'), regexp_count(email, '[aeiou]'), regexp_substr(address, '[0-9]+'), regexp_split_to_array(address, ' +') FROM customer ORDER BY customer_id LIMIT 12;
SELECT customer_id, m[1] FROM customer, regexp_matches(phone, '[0-9]+', 'g') m WHERE country = 'Norway';

-- digests and encodings
SELECT md5(email), encode(sha256(convert_to(last_name, 'UTF8')), 'hex'), encode(email::bytea, 'base64'), ascii(first_name), quote_literal(last_name), quote_nullable(company) FROM customer ORDER BY customer_id LIMIT 12;
SELECT hashtext(email) = hashtext(email::text), to_hex(length(email)), convert_to(city, 'UTF8') FROM customer ORDER BY customer_id LIMIT 5;

-- lists: string_to_array, unnest, array functions
SELECT customer_id, string_to_array(address, ' '), cardinality(string_to_array(address, ' ')) FROM customer ORDER BY customer_id LIMIT 12;
SELECT part, count(*) FROM customer, unnest(string_to_array(email, '@')) part GROUP BY part HAVING count(*) > 1 ORDER BY 2 DESC, 1;
SELECT customer_id, array_to_string(ARRAY[city, state, country], '/', '?') FROM customer ORDER BY customer_id LIMIT 12;
SELECT part, string_to_table FROM (SELECT customer_id AS part, string_to_table(last_name, ' ') FROM customer WHERE last_name LIKE '% %' ORDER BY customer_id) x;

-- json
SELECT to_json(last_name), to_jsonb(state), json_build_object('name', last_name, 'city', city, 'state', state) FROM customer ORDER BY customer_id;
SELECT jsonb_build_object('id', customer_id, 'address', jsonb_build_array(address, city, country)) FROM customer ORDER BY customer_id LIMIT 12;
SELECT json_build_object(last_name, 1), jsonb_object(ARRAY['mail', email]) FROM customer ORDER BY customer_id LIMIT 5;
SELECT country, json_agg(last_name ORDER BY last_name), jsonb_object_agg(email, city ORDER BY email) FROM customer GROUP BY country ORDER BY country;
SELECT row_to_json(e), to_jsonb(e) - 'hire_date' FROM employee e ORDER BY employee_id;
SELECT jsonb_agg(to_jsonb(x) ORDER BY x.customer_id) FROM (SELECT customer_id, first_name, state FROM customer WHERE country = 'USA') x;

-- json as a source: rows of it compared with encrypted columns
SELECT c.customer_id FROM customer c JOIN jsonb_to_recordset('[{"mail": "hholy@gmail.com"}, {"mail": "nobody"}]') AS j (mail text) ON c.email = j.mail;
SELECT customer_id FROM customer WHERE country = '{"land": "Chile"}'::jsonb ->> 'land';

-- xml
SELECT xmlelement(name customer, xmlattributes(customer_id AS id), xmlforest(last_name, city, state)) FROM customer ORDER BY customer_id LIMIT 5;

-- full-text search
SELECT customer_id, to_tsvector('english', address) FROM customer ORDER BY customer_id LIMIT 10;
SELECT customer_id, ts_rank(to_tsvector('simple', coalesce(company, '') || ' ' || city), to_tsquery('simple', 'do | paulo')) AS r
  FROM customer WHERE to_tsvector('simple', coalesce(company, '') || ' ' || city) @@ to_tsquery('simple', 'do | paulo') ORDER BY r DESC, customer_id;
SELECT customer_id, ts_headline('simple', address, plainto_tsquery('simple', 'Street')) FROM customer WHERE to_tsvector('simple', address) @@ plainto_tsquery('simple', 'Street') ORDER BY customer_id;
SELECT customer_id FROM customer WHERE to_tsvector('simple', first_name || ' ' || last_name) @@ websearch_to_tsquery('simple', 'frank -harris') ORDER BY customer_id;

-- casts
SELECT last_name::text, last_name::varchar(3), CAST(city AS varchar), state::char(4) || '|', postal_code::bpchar FROM customer ORDER BY customer_id LIMIT 12;
SELECT sum(postal_code::text::int) FROM customer WHERE country = 'Germany';
SELECT last_name::name, country::"char" FROM customer ORDER BY customer_id LIMIT 3;

-- normalization, unicode
SELECT normalize(last_name, NFD) = last_name, last_name IS NORMALIZED, convert(convert_to(first_name, 'UTF8'), 'UTF8', 'LATIN1') FROM customer WHERE country = 'Brazil' ORDER BY customer_id;

-- comparison with current_user and other names
SELECT count(*) FROM customer WHERE last_name = current_user OR first_name <> session_user;

-- comparison with varchar and char expressions
SELECT customer_id FROM customer WHERE country = 'Norway'::varchar OR country = 'Chile'::char(10) OR state = 'VV'::varchar(5) ORDER BY customer_id;
SELECT customer_id FROM customer WHERE state::char(6) = 'CA'::char(8) ORDER BY customer_id;
