ADD KEY by_tags ((CAST(j->'$.tags' AS UNSIGNED ARRAY))), ADD COLUMN n INT
