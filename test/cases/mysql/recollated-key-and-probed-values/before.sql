CREATE TABLE t (k VARCHAR(20) CHARACTER SET latin1 NOT NULL PRIMARY KEY, f VARCHAR(20), j TEXT);
INSERT INTO t VALUES ('a', '1.5', '{"b": 1, "a": [1, 2.50]}'), ('É', '-7e3', '[]'), ('c', '0', 'null'), ('D', '1e100', '"x"');
