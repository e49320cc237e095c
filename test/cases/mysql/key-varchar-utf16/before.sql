CREATE TABLE t (
  k VARCHAR(20) CHARACTER SET utf16 COLLATE utf16_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (_utf16 X'D83DDE00', 'n0'), (_utf16 X'00E9', 'n1'), (_utf16 X'0041', 'n2'), (_utf16 X'20AC', 'n3'), (_utf16 X'FFE5', 'n4'), (_utf16 X'0061', 'n5');
