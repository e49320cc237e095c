CREATE COLLATION nd (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (id integer PRIMARY KEY, a text UNIQUE);
INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'B');
