CREATE TABLE t (id integer PRIMARY KEY, a numeric(10,4), b numeric, c numeric(5,2), d numeric(4,0));
INSERT INTO t VALUES (1, 1.00005, 1.005, 999.99, 9999), (2, -1.00005, 'NaN', -0.01, -1), (3, NULL, 123456.789, NULL, NULL), (4, 0.0001, 1e-10, 0, 0), (5, 2.5, 2.5, 2.5, 2);
