CREATE TABLE t (
  k CHAR(6) CHARACTER SET latin1 COLLATE latin1_german1_ci NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('a', 'n0'), ('ab', 'n1'), ('ü', 'n2'), ('ÿ', 'n3'), ('', 'n4'), ('zz', 'n5');
