-- A small data set with the tables of the Chinook sample database, for machines that do not have
-- the sample. Last names, places and e-mail addresses are such that the queries find something.

CREATE TABLE artist (artist_id int PRIMARY KEY, name varchar(120));
CREATE TABLE album (album_id int PRIMARY KEY, title varchar(160) NOT NULL, artist_id int NOT NULL REFERENCES artist);
CREATE TABLE genre (genre_id int PRIMARY KEY, name varchar(120));
CREATE TABLE media_type (media_type_id int PRIMARY KEY, name varchar(120));
CREATE TABLE track (
    track_id int PRIMARY KEY, name varchar(200) NOT NULL, album_id int REFERENCES album,
    media_type_id int NOT NULL REFERENCES media_type, genre_id int REFERENCES genre, composer varchar(220),
    milliseconds int NOT NULL, bytes int, unit_price numeric(10, 2) NOT NULL);
CREATE TABLE employee (
    employee_id int PRIMARY KEY, last_name varchar(20) NOT NULL, first_name varchar(20) NOT NULL, title varchar(30),
    reports_to int REFERENCES employee, birth_date timestamp, hire_date timestamp, address varchar(70), city varchar(40),
    state varchar(40), country varchar(40), postal_code varchar(10), phone varchar(24), fax varchar(24), email varchar(60));
CREATE TABLE customer (
    customer_id int PRIMARY KEY, first_name varchar(40) NOT NULL, last_name varchar(20) NOT NULL, company varchar(80),
    address varchar(70), city varchar(40), state varchar(40), country varchar(40), postal_code varchar(10),
    phone varchar(24), fax varchar(24), email varchar(60) NOT NULL, support_rep_id int REFERENCES employee);
CREATE TABLE invoice (
    invoice_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, invoice_date timestamp NOT NULL,
    billing_address varchar(70), billing_city varchar(40), billing_state varchar(40), billing_country varchar(40),
    billing_postal_code varchar(10), total numeric(10, 2) NOT NULL);
CREATE TABLE invoice_line (
    invoice_line_id int PRIMARY KEY, invoice_id int NOT NULL REFERENCES invoice, track_id int NOT NULL REFERENCES track,
    unit_price numeric(10, 2) NOT NULL, quantity int NOT NULL);

INSERT INTO artist SELECT n, 'Artist ' || n FROM generate_series(1, 6) n;
INSERT INTO album SELECT n, 'Album ' || n, 1 + n % 6 FROM generate_series(1, 12) n;
INSERT INTO genre VALUES (1, 'Rock'), (2, 'Jazz'), (3, 'Metal'), (4, 'Blues'), (5, 'Latin'), (6, 'Opera');
INSERT INTO media_type VALUES (1, 'audio');
INSERT INTO track
SELECT n, CASE WHEN n % 10 = 0 THEN 'Oslo' ELSE 'Track ' || n END, 1 + n % 12, 1, 1 + n % 6, NULL, n * 1000, n * 77, 0.99
  FROM generate_series(1, 60) n;

INSERT INTO employee
SELECT n, last_name, first_name, (ARRAY['General Manager', 'Sales Manager', 'Sales Support Agent', 'IT Manager', 'IT Staff'])[1 + n / 2],
       CASE WHEN n > 1 THEN (n + 1) / 3 END, date '1960-01-01' + n * 500, date '2002-01-01' + n * 40,
       n || ' Jasper Ave', CASE WHEN n < 3 THEN 'Edmonton' WHEN n < 7 THEN 'Calgary' ELSE 'Lethbridge' END, 'AB', 'Canada',
       'T5K ' || n || 'N1', '+1 (403) 262-344' || n, '+1 (403) 262-' || n || '322', lower(first_name) || '@chinookcorp.com'
  FROM (VALUES (1, 'Adams', 'Andrew'), (2, 'Edwards', 'Nancy'), (3, 'Peacock', 'Jane'), (4, 'Park', 'Margaret'), (5, 'Johnson', 'Steve'),
               (6, 'Mitchell', 'Michael'), (7, 'King', 'Robert'), (8, 'Callahan', 'Laura')) v (n, last_name, first_name);

-- 56 customers: every place twice or more, every last name once
INSERT INTO customer
SELECT n, first_name, last_name, CASE n % 5 WHEN 0 THEN 'Riotur' WHEN 1 THEN last_name || ' & Söhne' END,
       n * 7 || CASE WHEN n % 2 = 0 THEN ' Main Street' ELSE ' Rua Longa' END, city, state, country,
       CASE WHEN n % 11 > 0 THEN n * 1357 || '' END, '+' || n % 7 || ' (' || n * 17 % 10 || '12) ' || 1000 + n * 31,
       CASE n % 4 WHEN 0 THEN '+' || n % 7 || ' (' || n * 17 % 10 || '12) ' || 1000 + n * 31 WHEN 1 THEN 'fax ' || n END,
       CASE n WHEN 1 THEN 'luisg@embraer.com.br' WHEN 2 THEN 'hholy@gmail.com' WHEN 3 THEN 'fralston@gmail.com' WHEN 4 THEN 'fharris@google.com'
              ELSE lower(replace(first_name || '.' || last_name, ' ', '_')) || (ARRAY['@gmail.com', '@yahoo.de', '@example.org', '@uol.com.br'])[1 + n % 4] END,
       3 + n % 3
  FROM (SELECT o::int AS n, last_name, (ARRAY['Mark', 'Frank', 'João', 'Astrid', 'Zoë', 'Michael', 'Jürgen', 'Ana'])[1 + o % 8] AS first_name
          FROM unnest(ARRAY['Gonçalves', 'Holý', 'Ralston', 'Harris', 'Wichterlová', 'Köhler', 'Hansen', 'Almeida', 'Schröder', 'Schneider', 'Zimmermann',
                            'Mitchell', 'Fernandes', 'Sampaio', 'Murray', 'O''Reilly', 'Van der Berg', 'Wójcik', 'Muñoz', 'Gutiérrez', 'Hämäläinen',
                            'Kovács', 'Rojas', 'Pareek', 'Åkesson', 'Żak', 'Ćwik', 'Đorđević', 'Ñandú', 'Øster', 'Gordon', 'Miller', 'Brooks', 'Chase',
                            'Girard', 'Dubois', 'Martins', 'Rocha', 'Ramos', 'Smith', 'Goyer', 'Gray', 'Barnett', 'Brown', 'Francis', 'Silk', 'Sullivan',
                            'Bernard', 'Lefebvre', 'Mercier', 'Jones', 'Hughes', 'Taylor', 'Srivastava', 'Leacock', 'Stevens']) WITH ORDINALITY AS l (last_name, o)) people
  JOIN (VALUES (1, 'São Paulo', 'SP', 'Brazil'), (2, 'Rio de Janeiro', 'RJ', 'Brazil'), (3, 'Mountain View', 'CA', 'USA'), (4, 'New York', 'NY', 'USA'),
               (5, 'Edmonton', 'AB', 'Canada'), (6, 'Toronto', 'ON', 'Canada'), (7, 'Oslo', NULL, 'Norway'), (8, 'Stockholm', NULL, 'Sweden'),
               (9, 'Prague', NULL, 'Czech Republic'), (10, 'Paris', NULL, 'France'), (11, 'Lyon', NULL, 'France'), (12, 'Berlin', NULL, 'Germany'),
               (13, 'Lisbon', NULL, 'Portugal'), (14, 'Delhi', NULL, 'India'), (15, 'Santiago', NULL, 'Chile'), (16, 'Amsterdam', 'VV', 'Netherlands'),
               (17, 'Wien', NULL, 'Austria'), (18, 'Dijon', NULL, 'France')) p (place, city, state, country) ON p.place = 1 + n % 18;

INSERT INTO invoice
SELECT n, customer_id, timestamp '2021-01-03' + n * interval '9 days', address, city, state, country, postal_code, (n * 37 % 250) / 10.0
  FROM generate_series(1, 224) n JOIN customer ON customer_id = 1 + n % 56;
INSERT INTO invoice_line SELECT n, 1 + n % 224, 1 + n * 7 % 60, 0.99, 1 FROM generate_series(1, 448) n;
