CREATE TABLE t (id integer PRIMARY KEY, b bytea);
INSERT INTO t SELECT n, decode(lpad(to_hex(n), 2, '0'), 'hex') FROM generate_series(0, 255) AS n;
INSERT INTO t VALUES
  (300, ''), (301, NULL), (302, decode(repeat('00', 5000), 'hex')),
  (303, (SELECT string_agg(decode(lpad(to_hex(n), 2, '0'), 'hex'), '' ORDER BY n) FROM generate_series(0, 255) AS n)),
  (304, '\x5c78'), (305, '\x27275c27');
