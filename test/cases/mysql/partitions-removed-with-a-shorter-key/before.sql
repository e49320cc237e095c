CREATE TABLE t (
  id INT NOT NULL,
  made DATE NOT NULL,
  note VARCHAR(40),
  PRIMARY KEY (id, made),
  KEY made (made)
) PARTITION BY KEY (made) PARTITIONS 3;
INSERT INTO t VALUES (1, '2001-01-01', 'one'), (2, '2021-05-05', 'two'), (3, '2022-01-01', NULL), (4, '2040-01-01', 'four');
