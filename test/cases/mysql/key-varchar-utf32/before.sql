CREATE TABLE t (
  k VARCHAR(20) CHARACTER SET utf32 COLLATE utf32_bin NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES (_utf32 X'0001F600', 'n0'), (_utf32 X'000000E9', 'n1'), (_utf32 X'00000041', 'n2'), (_utf32 X'000020AC', 'n3'), (_utf32 X'0000FFE5', 'n4'), (_utf32 X'00000062', 'n5');
