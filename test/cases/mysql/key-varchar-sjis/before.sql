CREATE TABLE t (
  k VARCHAR(20) CHARACTER SET sjis COLLATE sjis_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (_sjis X'835C', 'n0'), (_sjis X'B1', 'n1'), (_sjis X'8EA9', 'n2'), (_sjis X'41', 'n3'), (_sjis X'8140', 'n4'), (_sjis X'82A0', 'n5');
