CREATE TABLE t (id integer PRIMARY KEY, i interval);
INSERT INTO t VALUES (1, 'infinity'), (2, '-infinity'), (3, '0');
