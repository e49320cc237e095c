CREATE TABLE t (
  k VARCHAR(20) CHARACTER SET gbk COLLATE gbk_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (_gbk X'C4E3', 'n0'), (_gbk X'BA5C', 'n1'), (_gbk X'D65C27', 'n2'), (_gbk X'41', 'n3'), (_gbk X'8140', 'n4'), (_gbk X'FE4F', 'n5');
