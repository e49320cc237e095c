UPDATE t SET a = 'it''s,{},NULL' WHERE id = 2;
INSERT INTO t VALUES (4, ',', 0, '[0:1]={5,6}');
