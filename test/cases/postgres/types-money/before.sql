CREATE TABLE t (id integer PRIMARY KEY, m money);
INSERT INTO t VALUES (1, (-92233720368547758.08)::money), (2, 92233720368547758.07::money), (3, 0::money), (4, (-0.01)::money), (5, 1234567.89::money), (6, NULL);
