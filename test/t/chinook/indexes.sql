-- What an application's administrator adds to the tables: run before any column is encrypted.

ALTER TABLE customer ADD CONSTRAINT customer_email_key UNIQUE (email);
ALTER TABLE employee ADD CONSTRAINT employee_email_key UNIQUE (email);
CREATE INDEX customer_name_idx ON customer (last_name, first_name);
CREATE INDEX customer_country_idx ON customer (country);
CREATE INDEX customer_city_idx ON customer (city) INCLUDE (customer_id);
CREATE INDEX customer_phone_idx ON customer USING hash (phone);
CREATE INDEX employee_last_name_idx ON employee (last_name) WHERE last_name IS NOT NULL;
CREATE INDEX invoice_billing_country_idx ON invoice (billing_country, invoice_date);
CREATE INDEX invoice_billing_city_idx ON invoice (billing_city);
ALTER TABLE customer ADD CONSTRAINT customer_email_check CHECK (email LIKE '%@%');
ALTER TABLE customer ALTER COLUMN country SET DEFAULT 'Nowhere';
