CREATE TABLE t (id integer PRIMARY KEY, a text, b integer, c text);
INSERT INTO t VALUES (1, 'x,y,"z"', 1, '{1,NULL}'), (2, '', NULL, '{}'), (3, NULL, 3, NULL);
