CREATE TYPE mood AS ENUM ('sad', 'it''s ok', '');
CREATE TABLE t (id integer PRIMARY KEY, m text DEFAULT 'sad', n varchar(10));
INSERT INTO t SELECT n, (ARRAY['sad', 'it''s ok', '', NULL])[1 + n % 4], 'SAD' FROM generate_series(1, 30) AS n;
