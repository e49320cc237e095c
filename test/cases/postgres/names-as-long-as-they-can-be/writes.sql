INSERT INTO "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääy" ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxääääääääääääääääz", b) VALUES (1000, 5)
