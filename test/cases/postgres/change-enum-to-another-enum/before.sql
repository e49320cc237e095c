CREATE TYPE mood AS ENUM ('sad', 'ok', 'great');
CREATE TYPE feeling AS ENUM ('great', 'ok', 'SAD');
CREATE TABLE t (id integer, m mood NOT NULL DEFAULT 'ok', PRIMARY KEY (id));
CREATE INDEX t_m ON t (m);
INSERT INTO t SELECT n, (ARRAY['sad', 'ok', 'great'])[1 + n % 3]::mood FROM generate_series(1, 30) AS n;
