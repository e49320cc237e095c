MERGE INTO t USING (SELECT n AS id FROM generate_series(5, 2000, 5) AS n) AS s ON t.id = s.id
  WHEN MATCHED AND t.a % 3 = 0 THEN DELETE
  WHEN MATCHED AND t.a % 3 = 1 THEN UPDATE SET a = -t.a, id = t.id + 1
  WHEN MATCHED THEN DO NOTHING
  WHEN NOT MATCHED THEN INSERT VALUES (s.id, 0, 'merged');
