CREATE TABLE t (
  id integer PRIMARY KEY,
  b bit(5), b1 bit, vb bit varying, vb3 varbit(3), a inet, c cidr, m macaddr, m8 macaddr8
);
INSERT INTO t VALUES
  (1, '00000', '0', '', '', '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00'),
  (2, '11111', '1', repeat('10', 5000)::varbit, '101', '::/0', '::/0', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff'),
  (3, '10101', NULL, '0', '1', '255.255.255.255', '10.0.0.0/8', '08-00-2b-01-02-03', '08:00:2b:01:02:03:04:05'),
  (4, NULL, NULL, NULL, NULL, '192.168.1.5/24', '192.168.1.5/32', NULL, NULL),
  (5, NULL, NULL, NULL, NULL, '::ffff:1.2.3.4/96', '2001:db8::/32', NULL, NULL),
  (6, NULL, NULL, NULL, NULL, '192.168.1.5/32', NULL, NULL, NULL);
