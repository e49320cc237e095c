CREATE TABLE t (
  k YEAR NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (1901, 'n0'), (2155, 'n1'), (2024, 'n2'), (0000, 'n3'), (1999, 'n4');
