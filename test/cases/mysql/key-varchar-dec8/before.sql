CREATE TABLE t (
  k VARCHAR(20) CHARACTER SET dec8 COLLATE dec8_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (_dec8 X'E4', 'n0'), (_dec8 X'F6', 'n1'), (_dec8 X'FC', 'n2'), (_dec8 X'41', 'n3'), (_dec8 X'C4', 'n4'), (_dec8 X'5C', 'n5');
