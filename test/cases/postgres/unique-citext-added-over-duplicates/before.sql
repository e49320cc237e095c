CREATE EXTENSION citext;
CREATE TABLE t (id integer PRIMARY KEY, a text);
INSERT INTO t VALUES (1, 'x'), (2, 'Abc'), (3, 'y'), (4, 'aBC');
