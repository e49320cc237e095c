UPDATE t SET p = '(-0,0)', l = '{1,1,1}' WHERE id = 1;
UPDATE t SET p = NULL, b = NULL, pa = NULL WHERE id = 2;
UPDATE t SET id = 5 WHERE id = 4;
INSERT INTO t (id, c, po) VALUES (6, '<(1,1),1e-10>', '((1,1),(2,2))');
