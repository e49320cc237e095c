CREATE TABLE t (
  id INT NOT NULL PRIMARY KEY, u UUID, four INET4, six INET6,
  vc VARCHAR(500) COMPRESSED, tx TEXT COMPRESSED, bl LONGBLOB COMPRESSED, vb VARBINARY(300) COMPRESSED
);
INSERT INTO t VALUES
  (1, '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::', REPEAT('a', 400), REPEAT('é', 10000), REPEAT(X'00FF', 50000), REPEAT(X'00', 300)),
  (2, 'ffffffff-ffff-ffff-ffff-ffffffffffff', '255.255.255.255', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '', '', '', ''),
  (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (4, '123e4567-e89b-12d3-a456-426655440000', '127.0.0.1', '::ffff:192.0.2.1', 'short', 'short', X'00', X'FF00');
