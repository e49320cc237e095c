CREATE TYPE mood AS ENUM ('', 'happy', 'it''s "odd"', '🐬', 'a,b');
CREATE TYPE part AS (n integer, tx text, m mood, arr text[]);
CREATE TYPE whole AS (p part, q part[]);
CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> 'bad');
CREATE DOMAIN sure AS integer NOT NULL DEFAULT 3 CHECK (VALUE > 0);
CREATE DOMAIN deep AS short[] CHECK (array_length(VALUE, 1) < 4);
CREATE TABLE t (id integer PRIMARY KEY, m mood, p part, w whole, s short, u sure, d deep, ms mood[]);
INSERT INTO t VALUES
  (1, '', ROW(NULL, NULL, NULL, NULL), NULL, '', 1, '{}', '{}'),
  (2, 'it''s "odd"', ROW(1, E'a"b\\c,(d)', '🐬', '{NULL,"x,y"}'), ROW(ROW(1, '', 'a,b', NULL)::part, ARRAY[ROW(2, NULL, NULL, '{}')::part, NULL]), 'a b', 2147483647, '{"a,b",NULL}', '{"a,b",""}'),
  (3, NULL, NULL, ROW(NULL, NULL), NULL, 7, NULL, NULL);
