/* maf-json.h
 * Sessions and violations as JSON, an object a line
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef MAF_JSON_H
#define MAF_JSON_H

/* Register tshark -z maf,json. */
void maf_json_register(void);

#endif /* MAF_JSON_H */
