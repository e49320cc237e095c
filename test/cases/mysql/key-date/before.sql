CREATE TABLE t (
  k DATE NOT NULL,
  note VARCHAR(20),
  PRIMARY KEY (k)
);
INSERT INTO t (k, note) VALUES ('1000-01-01', 'n0'), ('9999-12-31', 'n1'), ('2024-02-29', 'n2'), ('1970-01-01', 'n3'), ('2000-01-01', 'n4');
