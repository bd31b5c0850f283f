-- What the apply role needs on a target, and no more: statements to be read, and then run (psql: \gexec).

CREATE FUNCTION synapsor_grants(
    target regclass,
    columns text[],
    operations text[] DEFAULT '{update}',
    tenant_column text DEFAULT NULL,
    conflict_column text DEFAULT NULL,
    key_columns text[] DEFAULT NULL,
    role name DEFAULT NULL
) RETURNS SETOF text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    grantee name := coalesce(role, nullif(current_setting('synapsor.apply_role', true), ''));
    wanted text[] := coalesce(columns, '{}');
    names_rows boolean := operations && '{update,delete}';
    keys text[] := coalesce(key_columns, ARRAY(
        SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = target AND i.indisprimary ORDER BY a.attnum));
    guards text[] := array_remove(keys || tenant_column || conflict_column, NULL);
    inserted text[] := wanted || CASE WHEN tenant_column <> ALL (wanted) THEN ARRAY[tenant_column] ELSE '{}' END;
    updated text[] := ARRAY(SELECT c FROM unnest(wanted) c WHERE c <> ALL (guards));
    advanced text[] := CASE WHEN current_setting('synapsor.advance_guard', true)::boolean
        THEN array_remove(ARRAY[conflict_column], NULL) ELSE '{}' END;
    missing text;
    home name;
    relation text;
BEGIN
    SELECT n.nspname, format('%I.%I', n.nspname, c.relname) INTO home, relation
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = target AND c.relkind = ANY ('{r,p,v}')
      AND n.nspname <> ALL ('{pg_catalog,information_schema,synapsor}');
    SELECT c INTO missing FROM unnest(guards || inserted) c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = target AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped);
    IF relation IS NULL THEN
        RAISE EXCEPTION 'WRITEBACK_TARGET_UNSUPPORTED: % is nothing that proposals are written to', target
            USING ERRCODE = 'wrong_object_type', HINT = 'Name a table, a partitioned table, or a view that is updatable by itself.';
    ELSIF missing IS NOT NULL THEN
        RAISE EXCEPTION 'column "%" of % does not exist', missing, relation USING ERRCODE = 'undefined_column';
    ELSIF grantee IS NULL THEN
        RAISE EXCEPTION 'APPLY_ROLE_NOT_SET: there is no role to grant anything to'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set synapsor.apply_role, or name the role.';
    ELSIF coalesce(operations, '{}') = '{}' OR NOT operations <@ '{update,insert,delete}' THEN
        RAISE EXCEPTION 'UNSUPPORTED_WRITEBACK_OPERATION: operations are update, insert and delete'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF names_rows AND keys = '{}' THEN
        RAISE EXCEPTION 'WRITEBACK_PRIMARY_KEY_REQUIRED: % has no primary key', relation
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name the columns of a unique key as key_columns.';
    ELSIF 'update' = ANY (operations) AND updated = '{}' THEN
        RAISE EXCEPTION 'WRITEBACK_UPDATE_VALUES_REQUIRED: no column that is not a guard'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Key, tenant and conflict column are never changed.';
    ELSIF 'insert' = ANY (operations) AND wanted = '{}' THEN
        RAISE EXCEPTION 'WRITEBACK_INSERT_VALUES_REQUIRED: no column' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY SELECT format('GRANT USAGE ON SCHEMA %I TO %I;', home, grantee);
    RETURN QUERY SELECT format('GRANT %s ON %s TO %I;', concat_ws(', ', string_agg(format('%s (%s)', g.verb,
            (SELECT string_agg(quote_ident(c), ', ' ORDER BY n) FROM unnest(g.names) WITH ORDINALITY u (c, n))), ', '),
            CASE WHEN 'delete' = ANY (operations) THEN 'DELETE' END), relation, grantee)
        FROM (VALUES ('SELECT', CASE WHEN names_rows THEN guards ELSE array_remove(ARRAY[tenant_column], NULL) END),
                     ('UPDATE', CASE WHEN 'update' = ANY (operations) THEN updated || advanced ELSE '{}' END),
                     ('INSERT', CASE WHEN 'insert' = ANY (operations) THEN inserted ELSE '{}' END)) g (verb, names)
        WHERE g.names <> '{}';
    RETURN QUERY SELECT format('GRANT USAGE ON SEQUENCE %s TO %I;', s.oid::regclass, grantee)
        FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
        JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
        WHERE 'insert' = ANY (operations) AND f.adrelid = target AND a.attname <> ALL (inserted);
END;
$$;
COMMENT ON FUNCTION synapsor_grants(regclass, text[], text[], text, text, text[], name) IS
    'The statements that give the apply role what it needs to write these columns of a target, and no more. They are returned, not run.';
REVOKE ALL ON FUNCTION synapsor_grants(regclass, text[], text[], text, text, text[], name) FROM PUBLIC;
