CREATE TABLE t (id integer PRIMARY KEY, j json, k text);
INSERT INTO t VALUES (1, '{"b":1,"a":2,"a":3}', '{}'), (2, ' [1, 2.50, 1e2] ', '[null]'), (3, NULL, NULL), (4, '"\u00e9\ud83d\udc2c"', '"x"'), (5, '1.000', 'null');
