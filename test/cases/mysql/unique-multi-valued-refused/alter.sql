ADD UNIQUE KEY by_tags ((CAST(j->'$.tags' AS UNSIGNED ARRAY)))
