CREATE TABLE t (
  k FLOAT NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (1, 'n0'), (2, 'n1'), (3, 'n2'), (4, 'n3'), (5, 'n4');
