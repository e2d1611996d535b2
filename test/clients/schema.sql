-- What the programs of the drivers work on, in both databases.
CREATE TABLE item (
    id integer PRIMARY KEY,
    name text NOT NULL UNIQUE,
    note text,
    amount integer CHECK (amount >= 0),
    price numeric(10,2),
    day date,
    moment timestamptz,
    active boolean DEFAULT true,
    ref uuid UNIQUE,
    doc jsonb
);
CREATE INDEX item_amount ON item (amount);
CREATE INDEX item_price ON item (price);
-- Each column has values once.
CREATE TABLE once (
    name text UNIQUE,
    amount integer UNIQUE,
    price numeric(10,2) UNIQUE,
    day date UNIQUE,
    moment timestamptz UNIQUE,
    active boolean UNIQUE,
    ref uuid UNIQUE,
    doc jsonb UNIQUE,
    note text
);
