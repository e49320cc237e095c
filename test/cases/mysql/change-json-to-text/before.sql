CREATE TABLE t (id INT NOT NULL PRIMARY KEY, j JSON);
INSERT INTO t VALUES (1, '{"b": 1.0, "a": "é"}'), (2, '[1e2, null]'), (3, NULL);
