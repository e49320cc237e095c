CREATE TABLE t (id integer PRIMARY KEY, a integer, b bigint, c real, d double precision, e boolean);
INSERT INTO t VALUES (1, -2147483648, 9223372036854775807, 0.1, 0.1, true), (2, NULL, NULL, NULL, NULL, NULL), (3, 7, -1, 'NaN', '-0', false), (4, 0, 0, 1e-45, 1e300, true), (5, 1, 1, 'Infinity', '-Infinity', false);
