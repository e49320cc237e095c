INSERT INTO t VALUES (4, _gbk X'C4E35C', _sjis X'82A0', _dec8 X'C4', '好');
UPDATE t SET a = CONCAT(a, a) WHERE id = 1;
